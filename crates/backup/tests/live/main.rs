//! The repository against the real program: what must be in it, what must come
//! back, and what must be said when it cannot.

mod bench;
mod by_hand;
mod hindered;
mod keeping;
mod killed;
mod object_store;
mod overhead;
