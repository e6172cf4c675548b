//! Tokens: what makes a link secret. The table keeps their hashes only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use slipway_aws::Table;

use crate::StepError;

/// 32 random bytes of the system's, as text that is safe in a URL.
///
/// # Errors
///
/// When the system gives none.
pub fn new_token() -> Result<String, StepError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        StepError::InvalidConfiguration(format!("the system gives no random bytes: {error}"))
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash by which a token is found again in a table. It is of the table's name, too: a table that was restored has another
/// one (`RestoreTableToPointInTime`, Amazon DynamoDB API reference), and no link of before is valid there, whatever it says
/// of approvals that were decided since.
#[must_use]
pub fn token_hash(table: &Table, token: &str) -> String {
    hash(table.name(), token)
}

fn hash(table: &str, token: &str) -> String {
    hex::encode(Sha256::digest(format!("{table}\n{token}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_its_own_table_alone() {
        assert_eq!(hash("slipway", "token"), hash("slipway", "token"));
        assert_ne!(hash("slipway", "token"), hash("slipway-restored", "token"));
        assert_ne!(hash("slipway", "token"), hash("slipway", "other"));
    }

    #[test]
    fn every_token_is_another_one_of_32_bytes() {
        let tokens: std::collections::HashSet<_> =
            (0..100).map(|_| new_token().expect("random bytes")).collect();
        assert_eq!(tokens.len(), 100);
        assert!(
            tokens.iter().all(|token| URL_SAFE_NO_PAD.decode(token).is_ok_and(|bytes| bytes.len() == 32))
        );
    }
}
