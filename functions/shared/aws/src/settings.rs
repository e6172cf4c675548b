//! Where AWS is called.

/// Where AWS is called, as a function's environment says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The region.
    pub region: String,
    /// Another endpoint than AWS's own.
    pub endpoint_url: Option<String>,
    /// Whether the endpoints are those with cryptography that is validated (FIPS).
    pub use_fips: bool,
    /// Whether the endpoints are those that have IPv6 addresses as well.
    pub use_dual_stack: bool,
    /// Whether the environment names the certificates to trust.
    pub names_certificates: bool,
}

impl Settings {
    /// Whether AWS's endpoints are all that is called, each with a certificate of Amazon's. Else the system's certificates are
    /// trusted: in another partition, where somebody else may be the authority, at another endpoint, and where the environment
    /// names them, as for a proxy that looks into what it passes on.
    pub(crate) fn trusts_amazon_alone(&self) -> bool {
        !self.names_certificates && self.endpoint_url.is_none() && is_in_the_public_partition(&self.region)
    }
}

/// Whether a region is of the partition `aws`: `^(us|eu|ap|sa|ca|me|af|il|mx)\-\w+\-\d+$` (`regionRegex` in the partitions of
/// the SDK's endpoint rules). Those of others have a word more, or another beginning.
fn is_in_the_public_partition(region: &str) -> bool {
    const AREAS: [&str; 9] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"];
    let mut parts = region.split('-');
    let (area, place, number, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    area.is_some_and(|area| AREAS.contains(&area))
        && place.is_some_and(|place| !place.is_empty())
        && number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && more.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(region: &str) -> Settings {
        Settings { region: region.to_owned(), ..Settings::default() }
    }

    #[test]
    fn amazons_certificates_alone_are_trusted_in_the_public_partition() {
        for region in ["eu-central-1", "us-east-1", "ap-southeast-7", "mx-central-1", "il-central-1"] {
            assert!(of(region).trusts_amazon_alone(), "{region}");
        }
        for region in [
            "cn-north-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
            "eusc-de-east-1",
            "eu-central",
            "xx-central-1",
            "",
        ] {
            assert!(!of(region).trusts_amazon_alone(), "{region}");
        }
    }

    #[test]
    fn the_systems_certificates_are_trusted_where_others_than_amazon_answer() {
        let proxy = Settings { names_certificates: true, ..of("eu-central-1") };
        let local = Settings { endpoint_url: Some("https://localhost:4566".into()), ..of("eu-central-1") };

        assert!(!proxy.trusts_amazon_alone() && !local.trusts_amazon_alone());
    }
}
