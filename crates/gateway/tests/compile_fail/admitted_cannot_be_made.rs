//! Promise: only judging the body makes an `Admitted`.
//! refused with: E0451

use portcullis_gateway::pipeline::{Admitted, Identified};

fn cheat(identified: Identified) -> Admitted {
    Admitted { identified }
}

fn main() {}
