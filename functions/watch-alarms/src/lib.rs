//! watch-alarms.
