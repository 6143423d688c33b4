//! Columns that line up, the widest ones wrapped to fit.

use std::fmt::Write as _;

use anstyle::Style;

use super::style::{PLAIN, paint};
use super::wrap;

/// Blanks between columns.
const GAP: usize = 2;
/// A wrapped column is not made narrower than this.
const NARROWEST: usize = 14;
/// Where nothing is wrapped, a cell wider than this pushes what stands behind it instead of widening its column.
const WIDEST: usize = 80;

/// One cell: plain text in one style.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    /// A cell in a style.
    pub(crate) fn new(style: Style, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style,
            right: false,
        }
    }

    /// A cell that is aligned right: numbers, durations.
    pub(crate) fn right(style: Style, text: impl Into<String>) -> Self {
        Self {
            right: true,
            ..Self::new(style, text)
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(PLAIN, text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(PLAIN, text)
    }
}

/// Rows of cells.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Blanks before the first column.
    indent: usize,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// A heading across all columns, with what stands over the last one.
    Heading(String, Option<String>),
}

impl Table {
    /// An empty table, indented.
    pub(crate) fn indented(indent: usize) -> Self {
        Self {
            rows: Vec::new(),
            indent,
        }
    }

    /// Adds a row.
    pub(crate) fn row<I, C>(&mut self, cells: I)
    where
        I: IntoIterator<Item = C>,
        C: Into<Cell>,
    {
        self.rows
            .push(Row::Cells(cells.into_iter().map(Into::into).collect()));
    }

    /// Adds a heading that starts two columns further left than the rows.
    pub(crate) fn heading(&mut self, text: impl Into<String>, over_last: Option<&str>) {
        self.rows
            .push(Row::Heading(text.into(), over_last.map(str::to_owned)));
    }

    /// Columns that it takes where nothing is wrapped.
    pub(crate) fn natural_width(&self) -> usize {
        self.whole(&self.natural(usize::MAX).0)
    }

    /// As text of at most `limit` columns, with a newline after each line. `usize::MAX` is no limit: nothing is wrapped.
    pub(crate) fn text(&self, limit: usize) -> String {
        let widths = match limit {
            usize::MAX => self.natural(WIDEST).0,
            limit => self.widths(limit),
        };
        let mut text = String::new();
        // What does not fit beside one heading stands beside the next.
        let mut over = None;
        for row in &self.rows {
            match row {
                Row::Cells(cells) if limit == usize::MAX => {
                    self.cells(&mut text, cells, &widths, |_| usize::MAX);
                }
                Row::Cells(cells) => {
                    self.cells(&mut text, cells, &widths, |column| widths[column]);
                }
                Row::Heading(heading, over_last) => {
                    over = over_last.as_deref().or(over);
                    if self.heading_line(&mut text, heading, over, &widths) {
                        over = None;
                    }
                }
            }
        }
        text
    }

    /// What each column takes where nothing is wrapped and only cells of at most `counted` columns widen it, and its
    /// longest word.
    fn natural(&self, counted: usize) -> (Vec<usize>, Vec<usize>) {
        let mut widths: Vec<usize> = Vec::new();
        let mut words: Vec<usize> = Vec::new();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            widths.resize(widths.len().max(cells.len()), 0);
            words.resize(widths.len(), 0);
            for (column, cell) in cells.iter().enumerate() {
                let width = Some(wrap::width(&cell.text)).filter(|width| *width <= counted);
                widths[column] = widths[column].max(width.unwrap_or(0));
                let longest = cell.text.split(' ').map(wrap::width).max();
                words[column] = words[column].max(longest.unwrap_or(0));
            }
        }
        (widths, words)
    }

    fn widths(&self, limit: usize) -> Vec<usize> {
        let (mut widths, words) = self.natural(usize::MAX);
        // A word wider than its column would push the others out of line: no column goes below its longest one
        // as long as another has blanks to wrap at.
        self.narrow(&mut widths, limit, &words);
        self.narrow(&mut widths, limit, &[]);
        // Where many columns are still too wide together, each may come down to its longest word.
        for column in (0..widths.len()).rev() {
            let over = self.whole(&widths).saturating_sub(limit);
            let spare = widths[column].saturating_sub(words[column]);
            widths[column] -= over.min(spare);
        }
        widths
    }

    /// Takes from the widest column until all fit, or none is wide. None goes below its floor.
    fn narrow(&self, widths: &mut [usize], limit: usize, floors: &[usize]) {
        let floor = |column: usize| {
            floors
                .get(column)
                .map_or(NARROWEST, |it| NARROWEST.max(*it))
        };
        loop {
            let whole = self.whole(widths);
            let wide = (0..widths.len()).filter(|column| widths[*column] > floor(*column));
            let widest = wide.max_by_key(|column| widths[*column]);
            let (Some(widest), true) = (widest, whole > limit) else {
                break;
            };
            let others = (0..widths.len())
                .filter(|column| *column != widest && widths[*column] > floor(*column))
                .map(|column| widths[column])
                .max()
                .unwrap_or(0);
            // Takes from the widest column what is too much, but not more than down to the next widest.
            let taken = (whole - limit).min((widths[widest] - others).max(1));
            widths[widest] = (widths[widest] - taken).max(floor(widest));
        }
    }

    fn whole(&self, widths: &[usize]) -> usize {
        let gaps = widths.len().saturating_sub(1) * GAP;
        self.indent + gaps + widths.iter().sum::<usize>()
    }

    /// One row. A column is padded to its width, and wrapped where `wrapped_at` says.
    fn cells(
        &self,
        text: &mut String,
        cells: &[Cell],
        widths: &[usize],
        wrapped_at: impl Fn(usize) -> usize,
    ) {
        let wrapped: Vec<Vec<String>> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| wrap::lines(&cell.text, wrapped_at(column)))
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut columns = 0;
            let mut pending = self.indent;
            for (column, cell) in cells.iter().enumerate() {
                let part = wrapped[column].get(line).map_or("", String::as_str);
                let blank = widths[column].saturating_sub(wrap::width(part));
                if part.is_empty() {
                    pending += widths[column] + GAP;
                    continue;
                }
                let (before, after) = if cell.right { (blank, 0) } else { (0, blank) };
                text.push_str(&" ".repeat(pending + before));
                let _ = write!(text, "{}", paint(cell.style, part));
                pending = after + GAP;
                columns += 1;
            }
            if columns > 0 || line == 0 {
                text.push('\n');
            }
        }
    }

    /// True where what belongs over the last column fitted there.
    fn heading_line(
        &self,
        text: &mut String,
        heading: &str,
        over_last: Option<&str>,
        widths: &[usize],
    ) -> bool {
        let start = self.indent.saturating_sub(2);
        let used = start + wrap::width(heading);
        let mut stands = false;
        let _ = write!(text, "{}{heading}", " ".repeat(start));
        if let (Some(over), Some((_, before))) = (over_last, widths.split_last()) {
            let last = self.indent + before.iter().sum::<usize>() + before.len() * GAP;
            if used + GAP <= last {
                text.push_str(&" ".repeat(last - used));
                text.push_str(over);
                stands = true;
            }
        }
        text.push('\n');
        stands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let mut table = Table::indented(2);
        table.row(["a", "long cell", ""]);
        table.row(["bbb", "x", "end"]);
        assert_eq!(table.text(80), "  a    long cell\n  bbb  x          end\n");
    }

    #[test]
    fn many_columns_come_down_to_their_longest_words() {
        let mut table = Table::indented(0);
        table.row(["alpha, beta", "gamma, delta", "epsilon"]);
        assert_eq!(table.text(24), "alpha,   gamma,  epsilon\nbeta     delta\n");
    }

    #[test]
    fn what_cannot_be_wrapped_is_not_made_narrower_while_something_else_can() {
        let mut table = Table::indented(0);
        table.row(["a-name-without-any-blank", "one two three four", "end"]);
        table.row(["short", "five", "end"]);
        assert_eq!(
            table.text(46),
            "a-name-without-any-blank  one two three    end\n                          four\nshort                     five             end\n"
        );
    }

    #[test]
    fn without_a_limit_a_very_long_cell_pushes_only_what_stands_behind_it() {
        let mut table = Table::indented(0);
        let long = "x".repeat(WIDEST + 1);
        table.row(["a", &long, "end"]);
        table.row(["b", "short", "end"]);
        assert_eq!(
            table.text(usize::MAX),
            format!("a  {long}  end\nb  short  end\n")
        );
    }

    #[test]
    fn the_widest_column_is_wrapped_to_fit() {
        let mut table = Table::indented(0);
        table.row(["1", "one two three four five six", "end"]);
        assert_eq!(table.text(26), "1  one two three four  end\n   five six\n");
    }
}
