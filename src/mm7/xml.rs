//! Bytes → a small tree of elements, by local name.
//!
//! * A document type declaration is refused where it begins, so no entity is ever declared, fetched
//!   or expanded; only the five predefined ones and character references are known.
//! * Depth and number of elements are bounded, beside the bound on bytes.
//! * Prefixes are cut off and never resolved: one gateway uses a prefix that it does not declare.

use std::borrow::Cow;

use encoding_rs::Encoding;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, events::BytesRef};

/// Deepest nesting; a report has five levels.
const DEPTH_MAX: usize = 16;
/// Most elements; a report has about twenty.
const ELEMENTS_MAX: usize = 500;
/// Where an XML declaration must say its encoding, bytes.
const DECLARATION_BYTES_MAX: usize = 200;

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Name without its prefix.
    pub(super) name: String,
    /// The namespaces that it declares itself, whatever the prefixes.
    pub(super) namespaces: Vec<String>,
    /// Its text, trimmed.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Text of the first child of a name, unless it is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        let text = self.child(name)?.text.as_str();
        (!text.is_empty()).then_some(text)
    }

    /// The first text in it or below it.
    pub(super) fn any_text(&self) -> Option<&str> {
        if !self.text.is_empty() {
            return Some(&self.text);
        }
        self.children.iter().find_map(Element::any_text)
    }
}

/// Reads a document; in words why it cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<Element, String> {
    let text = decode(bytes)?;
    let mut reader = Reader::from_str(&text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(format!(
                        "more than {DEPTH_MAX} levels or {ELEMENTS_MAX} elements"
                    ));
                }
                open.push(opened(&start)?);
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS_MAX {
                    return Err(format!("more than {ELEMENTS_MAX} elements"));
                }
                close(opened(&start)?, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let Some(element) = open.pop() else {
                    return Err("an end without a beginning".to_owned());
                };
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => push(&mut open, &resolved(&reference)?),
            Event::DocType(_) => {
                return Err("a document type declaration is not allowed".to_owned());
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root.filter(|_| open.is_empty()) {
        Some(root) => Ok(root),
        None => Err("the document is not complete".to_owned()),
    }
}

/// The text in the encoding that the declaration names: Chinese and Korean gateways use their own.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let head = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let declared = head
        .split_once("?>")
        .and_then(|(declaration, _)| declaration.split_once("encoding="))
        .and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next());
    let encoding = match declared {
        None => encoding_rs::UTF_8,
        Some(label) => Encoding::for_label(label.as_bytes())
            .filter(|encoding| encoding.is_ascii_compatible())
            .ok_or_else(|| format!("the encoding {label:?} is not known"))?,
    };
    let (text, used, broken) = encoding.decode(bytes);
    if broken {
        return Err(format!("the document is not {}", used.name()));
    }
    Ok(text)
}

fn opened(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name: &str = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            element
                .namespaces
                .push(attribute.value.clone().into_owned());
        }
    }
    Ok(element)
}

fn close(
    mut element: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), String> {
    element.text = element.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err("more than one document".to_owned()),
    }
    Ok(())
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    let character = reference
        .resolve_char_ref()
        .map_err(|error| error.to_string())?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    resolve_predefined_entity(reference)
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity {:?} is not known", &**reference))
}
