//! Millstream: a distributed stream processor with typed, compile-time checked operator chains.
