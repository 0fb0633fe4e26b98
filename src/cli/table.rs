//! A table for people: columns as wide as their widest cell, two spaces between, no lines.

use std::io::{self, Write};

/// How a column's cells are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// For names.
    Left,
    /// For numbers.
    Right,
}

/// Rows of cells under a line of titles.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Align)]) -> Table {
        Table {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Appends a row, which must have a cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes titles and rows.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |cell: &str| cell.chars().count();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                let cells = self.rows.iter().map(|row| width(&row[i])).max().unwrap_or(0);
                cells.max(width(self.columns[i].0))
            })
            .collect();
        let titles: Vec<&str> = self.columns.iter().map(|(title, _)| *title).collect();
        self.write_row(out, &widths, &titles)?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.write_row(out, &widths, &cells)?;
        }
        Ok(())
    }

    fn write_row(&self, out: &mut dyn Write, widths: &[usize], cells: &[&str]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}  ")),
                Align::Right => line.push_str(&format!("{cell:>width$}  ")),
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&[("TOPIC", Align::Left), ("LAG", Align::Right)]);
        table.row(vec!["a-long-name".into(), "5".into()]);
        table.row(vec!["t".into(), "12345".into()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "TOPIC          LAG\na-long-name      5\nt            12345\n"
        );
    }
}
