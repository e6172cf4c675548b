//! receive-push.
