//! A person whose profile has IAM Identity Center, and who has not signed in.

use std::fs;
use std::process::Command;

fn refused(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_slipway"))
        .args(arguments)
        .env_clear()
        .envs([("HOME", folder.to_str().expect("a path")), ("AWS_EC2_METADATA_DISABLED", "true")])
        .output()
        .expect("it runs");
    let error = String::from_utf8(output.stderr).expect("it is UTF-8");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_profile_with_single_sign_on_says_how_to_sign_in() {
    let home = tempfile::tempdir().expect("a folder");
    fs::create_dir(home.path().join(".aws")).expect("a folder");
    let profiles = "\
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-central-1
sso_registration_scopes = sso:account:access

[profile operators]
sso_session = company
sso_account_id = 111122223333
sso_role_name = operators
region = eu-central-1

[profile older]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 111122223333
sso_role_name = operators
region = eu-central-1

[profile through]
role_arn = arn:aws:iam::444455556666:role/operators
source_profile = operators
region = eu-central-1

[profile keys]
region = eu-central-1
";
    fs::write(home.path().join(".aws/config"), profiles).expect("it is written");

    for (profile, signs_in) in [("operators", "operators"), ("older", "older"), ("through", "operators")] {
        // Where the API is named, and where SSM would be asked for it.
        for more in [&["--api", "http://127.0.0.1:1"][..], &[]] {
            let error = refused(home.path(), &[&["status", "--profile", profile], more].concat());
            assert!(error.contains(&format!("`aws sso login --profile {signs_in}`")), "{profile}: {error}");
        }
    }
    let error = refused(home.path(), &["status", "--profile", "keys"]);
    assert!(error.contains("name a profile with --profile") && !error.contains("sso login"), "{error}");
}
