//! A cluster of 1,000 TaskManagers.
