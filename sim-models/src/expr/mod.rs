//! Conditions and formulas of a scenario are a small subset of CEL: they always end, and whatever decides is an integer.
//!
//! A text becomes an [`Expr`] whose names are words of the file ([`Name`]). A caller resolves them once to whatever it
//! finds values by, and then evaluates as often as it likes.
//!
//! ```
//! use sim_models::expr::{Arithmetic, EvalError, Expr};
//! use sim_models::value::Value;
//!
//! let condition = Expr::parse("value >= 1 && lease['lamp'] == $request", Arithmetic::Integers).unwrap();
//! let names = ["value", "lease", "$request"];
//! let slots = condition
//!     .resolve(&mut |name, _span| names.iter().position(|known| *known == name.to_string()).ok_or("unknown"))
//!     .unwrap();
//! let mut env = |slot: &usize, key: Option<&Value>| match (slot, key) {
//!     (0, None) => Value::Int(3),
//!     (1, Some(key)) if *key == Value::from("lamp") => Value::Int(17),
//!     (2, None) => Value::Int(17),
//!     _ => Value::Null,
//! };
//! assert_eq!(slots.is_true(&mut env), Ok(true));
//! assert_eq!(Expr::parse("9223372036854775807 + 1", Arithmetic::Integers).unwrap().eval(&mut |_, _| Value::Null),
//!            Err(EvalError::Overflow));
//! ```

mod ast;
mod eval;
mod lexer;
mod parser;

pub use ast::{Expr, Kind, Literal, Name, Op};
pub(crate) use eval::TEXT_MAX;
pub use eval::{EvalError, Number};
pub(crate) use lexer::is_name;
pub use parser::{Arithmetic, ExprError};
