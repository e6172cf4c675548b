//! Asks people: opens the approval, and sends each approver a mail with a link of their own.
//!
//! A link carries a locator of 32 random bytes; the table keeps only its hash. A second run sends mails only to those who
//! were not sent one, with new links to the same approval.

mod mail;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, Table};
use slipway_core::approval::{Approval, ApprovalId, GRACE_SECONDS, Link, Verified};
use slipway_core::name::EmailAddress;
use slipway_core::step::{ApprovalRequested, RequestApprovalInput};
use slipway_runtime::{ConfigurationError, Environment, StepError, count, now, parse};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The ARN of the topic that the approvers' subscriptions are on.
    pub approval_topic_arn: String,
    /// Where the approval page is, without a slash at the end.
    pub approval_url: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            table: environment.table()?,
            approval_topic_arn: environment.require("SLIPWAY_APPROVAL_TOPIC_ARN", "the ARN of the approvals' SNS topic")?,
            approval_url: environment
                .require("SLIPWAY_APPROVAL_URL", "the address of the approval page's API")?
                .trim_end_matches('/')
                .to_owned(),
        })
    }
}

/// Asks for the stage's approval.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<ApprovalRequested, StepError> {
    let RequestApprovalInput { release, stage, baseline } = parse(input)?;
    let Some(policy) = &stage.approval else {
        return Err(StepError::InvalidInput { field: "stage.approval".into(), problem: "the stage asks for no approval".into() });
    };
    let table = aws.table(&config.table);
    let key = Key::approval(&ApprovalId::of(&release, &stage.name));
    let approval = if let Some(open) = table.get::<Approval>(&key).await? {
        open.document
    } else {
        let partition = Key::release(&release.id).pk;
        let verified: Vec<Verified> = table.list(&partition, "VERIFIED#").await?.into_iter().map(|(_, stored)| stored.document).collect();
        let opened = Approval::open(release, stage.name.clone(), policy, baseline, verified, now());
        if table.put_new(&key, &opened).await? {
            tracing::info!(release.id = %opened.release.id, stage = %opened.stage, approvers = opened.approvers.len(), quorum = opened.quorum, "people are asked to approve {} for {}", opened.release.id, opened.stage);
            count("ApprovalRequested", &[("Application", opened.release.application.as_str())]);
            opened
        } else {
            table.get::<Approval>(&key).await?.map_or(opened, |first| first.document)
        }
    };
    for approver in &approval.approvers {
        ask(aws, config, &table, &approval, approver).await?;
    }
    let lives = approval.expires_at.duration_since(now()).as_secs();
    Ok(ApprovalRequested {
        approval: approval.id,
        expires_at: approval.expires_at,
        timeout_seconds: u32::try_from(lives).unwrap_or(0).saturating_add(GRACE_SECONDS),
    })
}

/// Sends one approver a mail, if none was sent before. An answer of SNS that is lost may mean a second mail, with another
/// link to the same approval.
async fn ask(aws: &Aws, config: &Config, table: &Table, approval: &Approval, approver: &EmailAddress) -> Result<(), StepError> {
    let mailed = Key::mailed(&approval.id, approver.as_str());
    if table.get::<jiff::Timestamp>(&mailed).await?.is_some() {
        return Ok(());
    }
    let locator = new_locator()?;
    let hash = hex::encode(Sha256::digest(locator.as_bytes()));
    table.put_new(&Key::link(&hash), &Link { approval: approval.id.clone(), approver: approver.clone() }).await?;
    let url = format!("{}/approvals/{locator}", config.approval_url);
    aws.topic(&config.approval_topic_arn).publish(mail::request(approval, approver, &url)).await?;
    table.put(&mailed, &now()).await?;
    Ok(())
}

/// 32 random bytes of the system's, as text that is safe in a URL.
fn new_locator() -> Result<String, StepError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| StepError::InvalidConfiguration(format!("the system gives no random bytes: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
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
