//! request-approval.
