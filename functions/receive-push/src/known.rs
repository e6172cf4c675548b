//! Which application a repository belonged to at its last push.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use slipway_core::application::Application;
use slipway_core::name::RepositoryName;

/// Which application each repository belonged to at its last push, as it was configured then, for as long as the function's
/// process lives. What it is now is read for every push: this only says what to read at once.
#[derive(Debug, Default)]
pub struct KnownRepositories(Mutex<HashMap<RepositoryName, Application>>);

impl KnownRepositories {
    /// The application that a repository belonged to.
    pub(crate) fn belonged_to(&self, repository: &RepositoryName) -> Option<Application> {
        self.all().get(repository).cloned()
    }

    /// Keeps which application a repository belongs to.
    pub(crate) fn belongs_to(&self, repository: &RepositoryName, application: &Application) {
        self.all().insert(repository.clone(), application.clone());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RepositoryName, Application>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(name: &str) -> Application {
        let mut event: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/events/capture-baseline.json")).expect("JSON");
        let mut application = event["input"]["application"].take();
        application["name"] = name.into();
        serde_json::from_value(application).expect("an application")
    }

    #[test]
    fn a_repository_belongs_to_the_application_of_its_last_push() {
        let known = KnownRepositories::default();
        let repository = RepositoryName::new("web").expect("a name");
        assert_eq!(known.belonged_to(&repository), None);

        for name in ["web", "shop"] {
            known.belongs_to(&repository, &application(name));
        }

        assert_eq!(known.belonged_to(&repository).expect("it is known").name.as_str(), "shop");
    }
}
