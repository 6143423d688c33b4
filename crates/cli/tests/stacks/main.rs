//! Deployments of stacks, as an operator uses them: the program against stand-ins for AWS that others wrote. On which of
//! their behaviours a test relies is said by its number in `crates/aws/tests/STANDINS.md`.

mod half_way;
mod journey;
mod lab;
mod refusals;
mod rehearsals;
