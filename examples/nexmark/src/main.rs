//! The queries as jobs.

use millstream_nexmark as _; // the jobs are in the library

millstream::main!();
