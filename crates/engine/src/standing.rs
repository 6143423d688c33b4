//! Which run of a deployment others must reckon with.

use switchback_journal::{Journal, JournalError, Key, RunRecord, RunStatus, StateDirectory};
use switchback_model::plan::Purpose;

/// The last run of a deployment, but for recoveries that are over: one that is done leaves the run that waited for it to
/// go on, and whatever recovery was tried before it needs nobody any more.
pub fn last_standing(
    directory: &StateDirectory,
    journal: &Journal,
    key: &Key,
) -> Result<Option<RunRecord>, JournalError> {
    let mut recovered = false;
    let runs = journal.runs()?.into_iter().rev();
    for record in runs.filter(|record| record.key == *key) {
        // A plan whose file is gone is taken for what weighs most.
        let plan = directory.plan(&record.plan);
        let recovers = plan.is_ok_and(|plan| matches!(plan.purpose, Purpose::Recovery { .. }));
        if !recovers {
            return Ok(Some(record));
        }
        let status = journal.state(&record.run)?.status;
        recovered |= matches!(status, RunStatus::Finished { .. });
        if !recovered {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
