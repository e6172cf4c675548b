//! Mails that go out again because an operator asked for it: to those who have not answered, each with a further link.

use std::collections::HashSet;

use jiff::Timestamp;
use slipway_aws::Key;
use slipway_core::resend::Resend;
use slipway_release::StepError;

use crate::asked::{Asked, Purpose};

impl Asked<'_> {
    /// Sends mails again as operators asked for it, each request's once; whoever has answered meanwhile gets none.
    /// `false` while some wait for the mail that sums them up.
    pub(crate) async fn send_again(&self) -> Result<bool, StepError> {
        let Self { table, approval, .. } = *self;
        let asked_for = table.list::<Resend>(&Key::resends(&approval.id), "").await?;
        if asked_for.is_empty() {
            return Ok(true);
        }
        let (partition, prefix) = Key::all_resent(&approval.id);
        let sent = table.list::<Timestamp>(&partition, &prefix).await?;
        let sent: HashSet<_> = sent.into_iter().map(|(key, _)| key.sk).collect();
        let mut all = true;
        for (request, stored) in &asked_for {
            let resend = &stored.document;
            for approver in resend.people(approval) {
                let purpose = Purpose::SendAgain { request: &request.sk, resend };
                if !sent.contains(&purpose.sent(&approval.id, approver).sk) {
                    all &= self.deliver(approver, purpose).await?;
                }
            }
        }
        Ok(all)
    }
}
