//! Locators: what makes a link secret. The table keeps their hashes only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::StepError;

/// 32 random bytes of the system's, as text that is safe in a URL.
///
/// # Errors
///
/// When the system gives none.
pub fn new_locator() -> Result<String, StepError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| StepError::InvalidConfiguration(format!("the system gives no random bytes: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash by which a locator is found again.
#[must_use]
pub fn locator_hash(locator: &str) -> String {
    hex::encode(Sha256::digest(locator.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locator_is_another_one_of_32_bytes() {
        let locators: std::collections::HashSet<_> = (0..100).map(|_| new_locator().expect("random bytes")).collect();
        assert_eq!(locators.len(), 100);
        assert!(locators.iter().all(|locator| URL_SAFE_NO_PAD.decode(locator).is_ok_and(|bytes| bytes.len() == 32)));
    }
}
