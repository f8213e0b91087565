//! Is what the documents say true of this repository? Each name that they use exists (`names`), each figure has a source
//! (`figures`), each command runs or says why not (`commands`), lists come from the code (`generated`, `settings`),
//! each promise of the publisher has its tests (`promises`), and what analysts read is so (`analysts`).
//!
//! Conventions for authors are in docs/development.md. Documents are all tracked Markdown and HTML.

mod analysts;
mod commands;
mod figures;
mod generated;
mod names;
mod promises;
mod settings;

pub(crate) use generated::assert_written;

use crate::support::repository::tracked_texts;

/// A document, cut into what is prose and what is code.
struct Document {
    path: String,
    paragraphs: Vec<Paragraph>,
    fences: Vec<Fence>,
}

/// Lines of prose that belong together: without a blank line between them. A row of a table is one, and so is a heading.
struct Paragraph {
    line: usize,
    /// The heading that it is under, with its number, so that two of the same text differ.
    section: usize,
    text: String,
}

/// A block of code between ``` lines.
struct Fence {
    line: usize,
    /// What follows the opening ```.
    info: String,
    lines: Vec<String>,
}

fn documents() -> Vec<Document> {
    let texts = tracked_texts(&[]).into_iter();
    let texts = texts.filter(|(path, _)| path.ends_with(".md") || path.ends_with(".html"));
    let documents: Vec<_> = texts.map(|(path, text)| Document::read(path, &text)).collect();
    assert!(documents.len() > 10, "the documents were not found");
    documents
}

impl Document {
    fn read(path: String, text: &str) -> Self {
        let text = if path.ends_with(".html") { without_tags(text) } else { text.to_owned() };
        let mut document = Self { path, paragraphs: Vec::new(), fences: Vec::new() };
        let (mut open, mut section, mut continues) = (None::<Fence>, 0, false);
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            if let Some(info) = line.trim_start().strip_prefix("```") {
                continues = false;
                match open.take() {
                    Some(fence) => document.fences.push(fence),
                    None => open = Some(Fence { line: line_number, info: info.trim().to_owned(), lines: Vec::new() }),
                }
            } else if let Some(fence) = &mut open {
                fence.lines.push(line.to_owned());
            } else if line.trim().is_empty() {
                continues = false;
            } else {
                let is_alone = line.starts_with('#') || line.starts_with('|');
                section += usize::from(line.starts_with('#'));
                match document.paragraphs.last_mut().filter(|_| continues && !is_alone) {
                    Some(paragraph) => paragraph.text += &format!("\n{line}"),
                    None => document.paragraphs.push(Paragraph { line: line_number, section, text: line.to_owned() }),
                }
                continues = !is_alone;
            }
        }
        assert!(open.is_none(), "{}: a ``` is not closed", document.path);
        document
    }

    fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// The text of a page, with its `<code>` as code spans.
fn without_tags(html: &str) -> String {
    let code = html.replace("<code>", "`").replace("</code>", "`");
    let tags = regex::Regex::new(r"(?s)<(script|style)\b.*?</(script|style)>|<[^>]*>").expect("a pattern");
    // Line numbers stay right.
    tags.replace_all(&code, |tag: &regex::Captures<'_>| "\n".repeat(tag[0].matches('\n').count())).into_owned()
}

#[test]
fn a_document_is_cut_into_prose_and_code() {
    let text = "# One\n\nfirst\nsecond\n| a |\n```sh\nls\n```\n## Two\nthird";
    let document = Document::read("d/x.md".to_owned(), text);
    let paragraphs: Vec<_> = document.paragraphs.iter().map(|p| (p.line, p.section, p.text.as_str())).collect();
    let expected = [(1, 1, "# One"), (3, 1, "first\nsecond"), (5, 1, "| a |"), (9, 2, "## Two"), (10, 2, "third")];
    assert_eq!(paragraphs, expected);
    assert_eq!((document.fences[0].line, document.fences[0].info.as_str()), (6, "sh"));
    assert_eq!((document.fences[0].lines.as_slice(), document.folder()), (["ls".to_owned()].as_slice(), "d"));
}
