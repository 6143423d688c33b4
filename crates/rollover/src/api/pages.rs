//! Lists, page by page: an instance that is asked once answers with its first fifty.

use serde_json::Value;

use super::client::Api;
use super::error::ApiError;

/// What one page asks for: the most that an instance gives to anyone.
const PAGE: usize = 100;

impl Api {
    /// Everything at `path`, whatever a page holds. Fewer than the instance says there are is an error.
    pub(crate) fn list(
        &self,
        path: &str,
        what: &str,
        question: &[(&str, &str)],
    ) -> Result<Vec<Value>, ApiError> {
        let mut listed: Vec<Value> = Vec::new();
        let limit = PAGE.to_string();
        loop {
            let offset = listed.len().to_string();
            let mut asked = question.to_vec();
            asked.extend([("limit", limit.as_str()), ("offset", offset.as_str())]);
            let answer = self.get(path, &asked)?;
            let Value::Array(page) = answer.body else {
                return Err(ApiError::Answer {
                    address: self.address().to_owned(),
                    asked: format!("GET {path}"),
                    why: "no list".to_owned(),
                });
            };
            let found = page.len();
            listed.extend(page);
            match answer.total {
                Some(total) if listed.len() >= total => return Ok(listed),
                Some(total) if found == 0 => {
                    return Err(ApiError::Incomplete {
                        address: self.address().to_owned(),
                        what: what.to_owned(),
                        total,
                        listed: listed.len(),
                    });
                }
                Some(_) => {}
                // An old instance knows no pages: it gave everything, or, where it does, a page that is not full.
                None if found != PAGE => return Ok(listed),
                None => {}
            }
        }
    }
}
