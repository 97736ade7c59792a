//! Writes a page as one HTML file that works without a network: styles and drawings stand in it, and so does the JSON document that
//! its numbers come from. It has no script, and nothing in it leads outside. It is XML too, so that any tool can take it apart.

use serde_json::Value;

use crate::figure::svg::{Place, colours, drawn, escaped};
use crate::page::{Block, Page};

/// The page with the document that it shows, which is found again as the element `faultline`.
pub(crate) fn html(page: &Page, document: &Value) -> String {
    let blocks: String = page.blocks().iter().map(block).collect();
    let title = escaped(page.title());
    let (light, dark) = (colours(false), colours(true));
    let json = embedded(document);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
         <style>\n{light}\n{STYLE}\n@media screen and (prefers-color-scheme:dark){{{dark}\n{DARK}}}\n{PRINT}\n</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{blocks}</main>\n\
         <script type=\"application/json\" id=\"faultline\">\n{json}\n</script>\n</body>\n</html>"
    )
}

const STYLE: &str = "\
body{margin:0;background:#fff;color:#1a1a1a;font:15px/1.5 Helvetica,Arial,sans-serif}
main{max-width:800px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:24px;line-height:1.25;margin:0 0 16px}
h2{font-size:18px;margin:36px 0 8px;padding-bottom:4px;border-bottom:1px solid #ddd}
p{margin:8px 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:8px 0;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top}
th{font-weight:600;color:#595959;border-bottom:1px solid #ddd;white-space:nowrap}
td{border-bottom:1px solid #eee}
td.n,th.n{text-align:right;white-space:nowrap}
td.w{white-space:nowrap}
pre{background:#f4f4f4;padding:10px 12px;overflow-x:auto;font:13px/1.45 Menlo,Consolas,monospace}
pre.c{white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:20px -16px}
svg{display:block;max-width:100%;height:auto}";

const DARK: &str = "\
body{background:#17191c;color:#ececec}
h2{border-color:#34383d}
th{color:#a8adb3;border-color:#4a4f55}
td{border-color:#2a2d31}
pre{background:#22252a}";

const PRINT: &str = "\
@media print{main{max-width:none;padding:0}figure{margin:16px 0}figure,tr,pre{break-inside:avoid}h2{break-after:avoid}\
pre{white-space:pre-wrap;border:1px solid #ddd;background:none}.scroll{overflow:visible}}";

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("<h2>{}</h2>\n", escaped(text)),
        Block::Paragraph(text) => format!("<p>{}</p>\n", escaped(text)),
        Block::Lines(lines) => format!("<pre>{}</pre>\n", escaped(&lines.join("\n"))),
        Block::Commands(lines) if lines.is_empty() => String::new(),
        Block::Commands(lines) => format!("<pre class=\"c\">{}</pre>\n", escaped(&lines.join("\n"))),
        Block::Table(head, rows) => table(head, rows),
        Block::Figure(figure) => format!("<figure>{}</figure>\n", drawn(figure, Place::Inside)),
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let column = |column: usize| rows.iter().map(move |row| row.get(column).map_or("", String::as_str));
    let classes: Vec<&str> = (0..head.len()).map(|place| class(column(place))).collect();
    let row = |name: &str, cells: &[String]| {
        let cells =
            cells.iter().zip(&classes).map(|(text, class)| format!("<{name}{class}>{}</{name}>", escaped(text)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let has_head = head.iter().any(|cell| !cell.is_empty());
    let head = if has_head { format!("<thead>{}</thead>\n", row("th", head)) } else { String::new() };
    let rows: String = rows.iter().map(|cells| row("td", cells)).collect();
    format!("<div class=\"scroll\"><table>\n{head}<tbody>\n{rows}</tbody>\n</table></div>\n")
}

/// How a column of these cells stands: numbers to the right, short words in one line.
fn class<'a>(cells: impl Iterator<Item = &'a str>) -> &'static str {
    let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
    if !cells.is_empty() && cells.iter().all(|cell| is_number(cell)) {
        return " class=\"n\"";
    }
    if cells.iter().all(|cell| cell.chars().count() <= 28) { " class=\"w\"" } else { "" }
}

/// Whether a cell is a number with its unit, an interval, or the dash that stands for none.
fn is_number(cell: &str) -> bool {
    let first = cell.trim_start_matches(['-', '–', '−', '+', '±', '≤', '≥', '<', '>', '[', '(', ' ']).chars().next();
    first.is_none_or(|letter| letter.is_ascii_digit()) && cell.split_whitespace().count() <= 6
}

/// A document in which nothing is a mark of HTML: JSON may write any letter of a text by its number (RFC 8259, section 7), and marks
/// of HTML stand in its texts only.
fn embedded(document: &Value) -> String {
    format!("{document:#}").replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_is_read_again_as_it_was() {
        let document = json!({"a": "</script><!-- & '\"", "<b>": [1, 2.5, null]});
        let text = embedded(&document);
        assert_eq!(text.find(['<', '>', '&']), None);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }

    #[test]
    fn numbers_stand_on_the_right() {
        let check = |cells: &[&str], expected| assert_eq!(class(cells.iter().copied()), expected, "{cells:?}");
        check(&["1", "10,000", "–"], " class=\"n\"");
        check(&["298 ms", "16m 31s"], " class=\"n\"");
        check(&["39.92 % to 54.17 %"], " class=\"n\"");
        check(&["-0.5 %", "±1 %"], " class=\"n\"");
        check(&["1", "one"], " class=\"w\"");
        check(&["a text that goes on and on and has to be broken"], "");
    }
}
