//! A data card as a page: one file without scripts, to be kept beside the data.

use base64::{Engine, prelude::BASE64_STANDARD};
use planaria_data::{
    Pixels,
    grid::{self, GridError},
    inspect::card::{DataCard, Doubt, Pair, SplitCard, Twinship},
};
use std::fmt::Write;

use super::{
    bytes, count,
    data_card::{item, why},
};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:left}\
    td.n{text-align:right;font-variant-numeric:tabular-nums}code{word-break:break-all}\
    img{image-rendering:pixelated;max-width:100%}rect{fill:#3a7}rect.test{fill:#b73}";

/// The card as HTML.
///
/// # Errors
/// [`GridError`] when the mean images cannot be made a picture.
pub fn page(card: &DataCard) -> Result<String, GridError> {
    let mut page = head(&card.source);
    let mut add = |part: String| page.push_str(&part);
    add(format!("<p>SHA-256 of the training data: <code>{}</code></p>\n", escaped(&card.sha256)));
    add(splits(card));
    add(format!("<h2>Classes</h2>\n{}", classes(card)));
    add(format!("<h2>Mean image of each class</h2>\n{}", mean_images(card)?));
    add(format!("<h2>Twins</h2>\n{}", twins(card)));
    add(format!("<h2>Doubtful items</h2>\n{}", doubts(card)));
    page.push_str("</body></html>\n");
    Ok(page)
}

/// What a page begins with.
pub(super) fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{0}</title>\n<style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escaped(title)
    )
}

/// Text that stands in a page as it is: names of folders and files are anybody's.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}

fn splits(card: &DataCard) -> String {
    let mut text = String::from(
        "<table><tr><th></th><th>items</th><th>unusable</th><th>bytes</th>\
         <th>least</th><th>greatest</th></tr>\n",
    );
    let mut row = |name: &str, split: &SplitCard| {
        let least = if split.items == 0 { 0 } else { split.bytes_least };
        let cells = [
            count(split.items),
            count(split.unusable),
            bytes(split.bytes),
            bytes(least),
            bytes(split.bytes_greatest),
        ];
        let cells: String =
            cells.iter().map(|cell| format!("<td class=\"n\">{cell}</td>")).collect();
        text.push_str(&format!("<tr><th>{name}</th>{cells}</tr>\n"));
    };
    row("train", &card.train);
    row("test", &card.test);
    text.push_str("</table>\n<p>Channels over 0..1: ");
    let figures = card.channels.iter();
    let figures = figures.map(|figure| format!("{:.4} ± {:.4}", figure.mean, figure.deviation));
    text.push_str(&figures.collect::<Vec<_>>().join(", "));
    text.push_str(". Sizes: ");
    let sizes = card.sizes.iter().take(20);
    let sizes =
        sizes.map(|size| format!("{}x{}x{} ({})", size.h, size.w, size.c, count(size.items)));
    text.push_str(&sizes.collect::<Vec<_>>().join(", "));
    let formats =
        card.formats.iter().map(|(format, items)| format!("{format} ({})", count(*items)));
    let formats: Vec<String> = formats.collect();
    if !formats.is_empty() {
        let _ = write!(text, ". Formats: {}", formats.join(", "));
    }
    text.push_str(".</p>\n");
    text
}

fn classes(card: &DataCard) -> String {
    let counts = card.train.by_class.iter().zip(&card.test.by_class);
    let named = card.class_names.iter().zip(counts);
    class_bars(named.map(|(name, (&train, &test))| (name.as_str(), train, test)))
}

/// Two bars a class: how many items to learn from, and how many held out.
pub(super) fn class_bars<'a>(classes: impl Iterator<Item = (&'a str, u64, u64)> + Clone) -> String {
    let most = classes.clone().map(|(_, train, test)| train.max(test)).max().unwrap_or(0).max(1);
    let mut text = String::from("<table>\n");
    for (name, train, test) in classes {
        let width = |items: u64| 400.0 * items as f64 / most as f64;
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td><svg width=\"400\" \
             height=\"18\"><rect width=\"{:.1}\" height=\"8\"/><rect class=\"test\" y=\"10\" \
             width=\"{:.1}\" height=\"8\"/></svg></td></tr>",
            escaped(name),
            count(train),
            count(test),
            width(train),
            width(test)
        );
    }
    text.push_str("</table>\n");
    text
}

/// Mean images in rows of ten.
fn mean_images(card: &DataCard) -> Result<String, GridError> {
    let images: Vec<Pixels> = card.mean_images.iter().map(|mean| mean.pixels.clone()).collect();
    let rows: Vec<Vec<Pixels>> = images.chunks(10).map(<[Pixels]>::to_vec).collect();
    let png = BASE64_STANDARD.encode(grid::png(&rows)?);
    Ok(format!(
        "<img alt=\"mean images, in the order of the classes\" src=\"data:image/png;base64,{png}\">\n"
    ))
}

fn twins(card: &DataCard) -> String {
    let twins = &card.twins;
    let mut text = String::from(
        "<table><tr><th></th><th>within train</th><th>within test</th><th>leaked</th>\
         <th>conflicting labels</th></tr>\n",
    );
    for (name, counts) in [("equal", twins.equal), ("look alike", twins.alike)] {
        let cells = [counts.within_train, counts.within_test, counts.leaked, counts.conflicting];
        let cells = cells.map(|cell| format!("<td class=\"n\">{}</td>", count(cell))).concat();
        let _ = writeln!(text, "<tr><th>{name}</th>{cells}</tr>");
    }
    text.push_str("</table>\n<ul>\n");
    for Pair { kind, first, second } in twins.serious.iter().chain(&twins.harmless) {
        let how = match kind {
            Twinship::Equal => "equals",
            Twinship::Alike => "looks like",
        };
        let (first, second) = (escaped(&item(card, first)), escaped(&item(card, second)));
        let _ = writeln!(text, "<li>{second} {how} {first}</li>");
    }
    text.push_str("</ul>\n");
    text
}

fn doubts(card: &DataCard) -> String {
    let line = |doubt: &Doubt| {
        let (item, why) = (escaped(&item(card, &doubt.item)), escaped(&why(card, doubt)));
        format!("<li>{item}: {why}</li>\n")
    };
    let mut text = String::from("<ul>\n");
    text.extend(card.doubts.listed.iter().chain(&card.doubts.labels).map(line));
    for reason in &card.unusable {
        let name = reason.name.clone().unwrap_or_else(|| format!("item {}", reason.index));
        let _ = writeln!(text, "<li>{}: {}</li>", escaped(&name), escaped(&reason.what));
    }
    text.push_str("</ul>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_of_a_file_cannot_become_part_of_the_page() {
        let name = "<script>alert('1')</script>\"&";
        let expected = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;";
        assert_eq!(escaped(name), expected);
    }
}
