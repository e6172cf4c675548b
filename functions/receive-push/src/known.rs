//! Which application a repository belonged to at its last push.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use slipway_core::name::{ApplicationName, RepositoryName};

/// Which application each repository belonged to at its last push, for as long as the function's process lives. The
/// application's own configuration says whether it still does: it is read for every push.
#[derive(Debug, Default)]
pub struct KnownRepositories(Mutex<HashMap<RepositoryName, ApplicationName>>);

impl KnownRepositories {
    /// The application that a repository belonged to.
    pub(crate) fn belonged_to(&self, repository: &RepositoryName) -> Option<ApplicationName> {
        self.all().get(repository).cloned()
    }

    /// Keeps which application a repository belongs to.
    pub(crate) fn belongs_to(&self, repository: &RepositoryName, application: &ApplicationName) {
        self.all().insert(repository.clone(), application.clone());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RepositoryName, ApplicationName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_belongs_to_the_application_of_its_last_push() {
        let known = KnownRepositories::default();
        let repository = RepositoryName::new("web").expect("a name");
        assert_eq!(known.belonged_to(&repository), None);

        for application in ["web", "shop"] {
            known.belongs_to(&repository, &ApplicationName::new(application).expect("a name"));
        }

        assert_eq!(known.belonged_to(&repository).expect("it is known").as_str(), "shop");
    }
}
