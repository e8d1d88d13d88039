//! Tables without borders: columns that fit the screen, which `grep` and `awk` can still read.

use comfy_table::Attribute;
use comfy_table::Cell;
use comfy_table::CellAlignment;
use comfy_table::Color;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets;

use super::Screen;
use super::text::Hue;

/// Columns between two columns of a table.
const GUTTER: u16 = 2;

/// One cell: its text, which must be clean already, and its colour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    text: String,
    hue: Option<Hue>,
}

impl Field {
    /// A cell without colour.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hue: None }
    }

    /// The same in a colour.
    #[must_use]
    pub fn paint(self, hue: Hue) -> Self {
        Self { hue: Some(hue), ..self }
    }
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    title: &'static str,
    right: bool,
    from: usize,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub const fn words(title: &'static str) -> Self {
        Self { title, right: false, from: 0 }
    }

    /// A column of figures, aligned on their right.
    #[must_use]
    pub const fn figures(title: &'static str) -> Self {
        Self { title, right: true, from: 0 }
    }

    /// The same, shown only on screens of at least this width.
    #[must_use]
    pub const fn from_width(self, width: usize) -> Self {
        Self { from: width, ..self }
    }
}

/// A table of these rows. Cells of columns that the screen is too narrow for are left out.
#[must_use]
pub fn table(screen: &Screen, columns: &[Column], rows: Vec<Vec<Field>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(screen.width).unwrap_or(u16::MAX));
    // Whether there is a terminal, and what it wants, was decided by whoever made the screen.
    if screen.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let shown = |column: &Column| screen.width >= column.from;
    let header = columns.iter().filter(|column| shown(column));
    table.set_header(header.map(|column| Cell::new(column.title).add_attribute(Attribute::Bold)));
    for row in rows {
        let pairs = row.into_iter().zip(columns).filter(|(_, column)| shown(column));
        table.add_row(pairs.map(|(field, _)| cell(field)));
    }
    let last = columns.iter().filter(|column| shown(column)).count().saturating_sub(1);
    let shown: Vec<&Column> = columns.iter().filter(|column| shown(column)).collect();
    for (position, (column, made)) in shown.iter().zip(table.column_iter_mut()).enumerate() {
        made.set_padding((0, if position == last { 0 } else { GUTTER }));
        if column.right {
            made.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

fn cell(field: Field) -> Cell {
    let cell = Cell::new_owned(field.text);
    match field.hue {
        None => cell,
        Some(Hue::Good) => cell.fg(Color::DarkGreen),
        Some(Hue::Warn) => cell.fg(Color::DarkYellow),
        Some(Hue::Bad) => cell.fg(Color::DarkRed),
        Some(Hue::Calm) => cell.fg(Color::DarkCyan),
        Some(Hue::Strong) => cell.add_attribute(Attribute::Bold),
        Some(Hue::Faint) => cell.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::Column;
    use super::Field;
    use super::table;
    use crate::cli::render::Screen;
    use crate::cli::render::text::columns;

    #[test]
    fn a_table_fits_its_screen() {
        let heads = [
            Column::words("NAME"),
            Column::figures("COUNT"),
            Column::words("PURPOSE").from_width(100),
        ];
        let row = || vec![Field::new("dev"), Field::new("12"), Field::new("try it ".repeat(30))];
        for width in [60, 100, 160] {
            let text = table(&Screen::plain(width), &heads, vec![row(), row()]);
            assert!(text.lines().all(|line| columns(line) <= width), "{width}:\n{text}");
            assert_eq!(text.contains("PURPOSE"), width >= 100);
        }
        let narrow = table(&Screen::plain(60), &heads, vec![row()]);
        assert_eq!(narrow, "NAME  COUNT\ndev      12\n");
    }
}
