//! Log lines as the real program's console format has them.

/// Something that happened.
macro_rules! info {
    ($($message:tt)*) => { eprintln!("  INFO {}", format_args!($($message)*)) };
}

/// Something that was noticed and left.
macro_rules! warning {
    ($($message:tt)*) => { eprintln!("  WARN {}", format_args!($($message)*)) };
}

pub(crate) use {info, warning};
