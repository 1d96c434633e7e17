//! What holds until the end of a group.

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Text,
    /// What is not shown.
    Nowhere,
    Fonts,
    Styles,
    Title,
    /// The number or bullet of a list item.
    Marker,
    Note,
    Comment,
}

impl Destination {
    /// The destination that a word begins.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "fonttbl" => Self::Fonts,
            "stylesheet" => Self::Styles,
            "title" => Self::Title,
            "listtext" | "pntext" => Self::Marker,
            "footnote" => Self::Note,
            "annotation" => Self::Comment,
            "shptxt" | "result" => Self::Text,
            "colortbl" | "pict" | "header" | "headerl" | "headerr" | "headerf" | "footer" | "footerl" | "footerr"
            | "footerf" | "fldinst" | "listtable" | "listoverridetable" | "revtbl" | "rsidtbl" | "generator"
            | "author" | "operator" | "subject" | "keywords" | "comment" | "doccomm" | "company" | "manager"
            | "category" | "hlinkbase" | "creatim" | "revtim" | "printim" | "buptim" | "objdata" | "nonshppict"
            | "themedata" | "colorschememapping" | "latentstyles" | "datastore" | "xmlnstbl" | "filetbl" | "tc"
            | "xe" | "mmathPr" | "atnid" | "atnauthor" | "bkmkstart" | "bkmkend" | "pntxta" | "pntxtb" | "ftnsep"
            | "ftnsepc" | "aftnsep" | "aftnsepc" | "template" | "nesttableprops" => Self::Nowhere,
            _ => return None,
        })
    }
}

/// What holds until the end of a group.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) destination: Destination,
    pub(super) font: i32,
    /// Characters that follow one told by its number, for programs that do not know Unicode.
    pub(super) replaced_by: usize,
    pub(super) hidden: bool,
    pub(super) style: i32,
    /// Depth in the outline, from 0.
    pub(super) outline: Option<usize>,
    /// Depth in a list, from 0.
    pub(super) level: usize,
    pub(super) in_table: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            destination: Destination::Text,
            font: 0,
            replaced_by: 1,
            hidden: false,
            style: 0,
            outline: None,
            level: 0,
            in_table: false,
        }
    }
}

impl State {
    pub(super) fn is_shown(&self) -> bool {
        !self.hidden && self.destination != Destination::Nowhere
    }
}

/// The character that a word stands for.
pub(super) fn character(word: &str) -> Option<&'static str> {
    Some(match word {
        "emdash" => "—",
        "endash" => "–",
        "lquote" => "‘",
        "rquote" => "’",
        "ldblquote" => "“",
        "rdblquote" => "”",
        "bullet" => "•",
        "emspace" | "enspace" | "qmspace" => " ",
        _ => return None,
    })
}
