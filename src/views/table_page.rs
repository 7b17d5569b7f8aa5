//! The card of a table as a page: one file without scripts, with a histogram of each column.

use planaria_data::{
    clean::{CleaningCounts, Reason},
    inspect::{columns::ColumnCard, table::TableCard},
};
use std::fmt::Write;

use super::{
    count,
    data_page::{class_bars, escaped, head},
    table_card::{number, place, quartiles},
};

/// The card as HTML.
pub fn page(card: &TableCard) -> String {
    let mut page = head(&card.source);
    let _ = writeln!(
        page,
        "<p>SHA-256 of the training data: <code>{}</code></p>",
        escaped(&card.sha256)
    );
    page.push_str(&rows(card));
    page.push_str("<h2>Classes</h2>\n");
    let classes = card.rows.classes.iter();
    page.push_str(&class_bars(classes.map(|class| (class.name.as_str(), class.train, class.test))));
    page.push_str(&columns(card));
    page.push_str("<h2>Rows to look at</h2>\n<ul>\n");
    for row in &card.suspicious {
        let _ = writeln!(page, "<li>{}: {}</li>", place(row), escaped(&row.cause));
    }
    page.push_str("</ul>\n</body></html>\n");
    page
}

/// How many rows of each half, and how many of them are of what kind.
fn rows(card: &TableCard) -> String {
    let CleaningCounts { train, test } = &card.rows.counts;
    let mut text = String::from("<table><tr><th></th><th>train</th><th>test</th></tr>\n");
    let mut row = |name: &str, train: u64, test: u64| {
        let cells = [train, test].map(|cell| format!("<td class=\"n\">{}</td>", count(cell)));
        let _ = writeln!(text, "<tr><th>{name}</th>{}</tr>", cells.concat());
    };
    row("rows", train.items, test.items);
    for reason in Reason::ALL {
        let (train, test) = (train.of(reason).found, test.of(reason).found);
        if train + test > 0 {
            row(reason.name(), train, test);
        }
    }
    text.push_str("</table>\n");
    text
}

/// A row a column: its figures, and how its numbers are spread in both halves.
fn columns(card: &TableCard) -> String {
    let mut text = String::from("<h2>Columns</h2>\n");
    if !card.texts.is_empty() {
        let texts: Vec<String> = card.texts.iter().map(|name| escaped(name)).collect();
        let _ = writeln!(text, "<p>Columns of texts, not looked at: {}</p>", texts.join(", "));
    }
    text.push_str(
        "<table><tr><th></th><th>kind</th><th>missing</th><th>different</th><th>least</th>\
         <th>quartiles</th><th>greatest</th><th>mean</th><th>train above, test below</th></tr>\n",
    );
    for column in &card.columns {
        let quartiles = quartiles(column).map(number).join(" ");
        let different = column.different.map_or_else(|| "many".to_owned(), count);
        let cells = [
            column.kind.name().to_owned(),
            count(column.missing.iter().sum()),
            different,
            number(column.least),
            quartiles,
            number(column.greatest),
            number(column.mean),
        ];
        let cells = cells.map(|cell| format!("<td class=\"n\">{cell}</td>")).concat();
        let name = escaped(&column.name);
        let _ = writeln!(text, "<tr><th>{name}</th>{cells}<td>{}</td></tr>", histogram(column));
    }
    text.push_str("</table>\n");
    if card.columns_untold > 0 {
        let _ = writeln!(text, "<p>And {} columns more.</p>", count(card.columns_untold));
    }
    text
}

/// Bars upwards for the rows to learn from, downwards for those held out, each half by its highest bar.
fn histogram(column: &ColumnCard) -> String {
    let mut text = String::from("<svg width=\"200\" height=\"64\">");
    for (bars, class, base, sign) in
        [(&column.train, "", 32.0, -1.0), (&column.test, " class=\"test\"", 32.0, 1.0)]
    {
        let most = bars.iter().copied().max().unwrap_or(0).max(1) as f64;
        for (at, &bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0) {
            let height = (30.0 * bar as f64 / most).max(1.0);
            let top = if sign < 0.0 { base - height } else { base };
            let x = at * 10;
            let _ = write!(
                text,
                "<rect{class} x=\"{x}\" y=\"{top:.1}\" width=\"9\" height=\"{height:.1}\">\
                 <title>{}</title></rect>",
                count(bar)
            );
        }
    }
    text.push_str("</svg>");
    text
}
