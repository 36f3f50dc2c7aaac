//! Clusters in one process.
