//! Content rolled over from one instance of StackStorm to another one: the program and real git against two
//! stand-ins, which the project's own client knows as well.

mod client;
mod contract;
mod killed;
mod refusals;
mod scene;
mod whole;
