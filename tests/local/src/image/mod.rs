//! The sample application's image: built as an OCI image without Docker, pushed over the registry protocol.
//!
//! The same folder, version and behaviour always give the same digest, on every machine: no clock, no file
//! times, no owners, files in the order of their names.

mod behaviour;
mod build;
mod registry;

pub use behaviour::Behaviour;
pub use build::{BuiltImage, Document, ImageOptions, Make, Platform, build};
pub use registry::push;
pub(crate) use registry::{client, digest_of};
