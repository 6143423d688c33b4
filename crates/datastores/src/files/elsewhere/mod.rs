//! Files of another machine: the same code, over there.
//!
//! [`FilesElsewhere`] is the port on this machine. It holds nothing: each call is one [`request::Request`] on the input
//! of this program, which is started over there for it ([`serve()`]), does it with [`super::Files`] beside the original,
//! and answers on its output. A call that is cut off is asked again; the port answers from what is there.
//!
//! ```text
//! this machine   <backups>/<run>/<datastore>/manifest.json    a copy of the other's, with where that is
//! the other      <root>/shadows/<name>/<run>/<datastore>/…    as on the machine itself
//!                <root>/shadows/.busy-<directory>             locked by whoever changes anything there
//! ```

mod line;
mod lock;
mod port;
mod request;
mod serve;

pub(crate) use port::FilesElsewhere;
pub use request::COMMAND;
pub use serve::serve;
