//! finish-release.
