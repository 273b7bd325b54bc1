//! Real hosts.
