//! decide-approval.
