//! resume-release.
