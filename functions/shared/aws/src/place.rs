//! Where a stage's services are.

/// An AWS account and a region.
///
/// There is one today, home. A stage that is elsewhere becomes a variant here, with the region and the role that is
/// assumed there, and [`Aws::at`](crate::Aws::at) the one function that learns of it: it gives the same wrappers over
/// clients of that place. The table's keys name no place, because a stage's name is unique in its application
/// wherever the stage is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// The account and the region that the functions run in.
    #[default]
    Home,
}
