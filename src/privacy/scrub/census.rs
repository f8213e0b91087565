//! What a canonical text has, counted in one pass, so that only the rules that it could concern are asked.

use super::decode::SYMBOL;

/// Counts of characters, and the longest runs of some.
pub(super) struct Census {
    pub(super) digits: usize,
    /// Runs of digits.
    pub(super) numbers: usize,
    pub(super) capitals: usize,
    pub(super) hex: usize,
    pub(super) alphanumeric: usize,
    pub(super) ats: usize,
    pub(super) colons: usize,
    pub(super) dots: usize,
    pub(super) dashes: usize,
    pub(super) slashes: usize,
    pub(super) spaces: usize,
    pub(super) equals: usize,
    pub(super) brackets: usize,
    /// What a parameter stands behind.
    pub(super) marks: usize,
    pub(super) pluses: usize,
    /// What ASCII has nothing for.
    pub(super) symbols: usize,
    /// The longest run of letters and digits.
    pub(super) run: usize,
    /// Of hexadecimal digits.
    pub(super) hex_run: usize,
    /// Of what base64 and base64url are written in.
    pub(super) code_run: usize,
}

/// The kind of each byte. Those of letters and digits come first, then the others of base64.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'A'..=b'F' => CAPITAL_HEX,
            b'a'..=b'f' => SMALL_HEX,
            b'G'..=b'Z' => CAPITAL,
            b'g'..=b'z' => SMALL,
            b'-' => DASH,
            b'/' | b'_' => SLASH,
            b'+' => PLUS,
            b'@' => AT,
            b':' => COLON,
            b'.' => DOT,
            b' ' => SPACE,
            b'=' => EQUALS,
            b'[' | b'(' | b'{' | b'<' => BRACKET,
            b';' | b',' | b'!' | b'&' | b'?' => MARK,
            SYMBOL => UNKNOWN,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};
const DIGIT: u8 = 0;
const CAPITAL_HEX: u8 = 1;
const SMALL_HEX: u8 = 2;
const CAPITAL: u8 = 3;
const SMALL: u8 = 4;
const DASH: u8 = 5;
const SLASH: u8 = 6;
const PLUS: u8 = 7;
const AT: u8 = 8;
const COLON: u8 = 9;
const DOT: u8 = 10;
const SPACE: u8 = 11;
const EQUALS: u8 = 12;
const BRACKET: u8 = 13;
const MARK: u8 = 14;
const UNKNOWN: u8 = 15;
const OTHER: u8 = 16;

impl Census {
    pub(super) fn of(ascii: &str) -> Self {
        let mut counts = [0; OTHER as usize + 1];
        let (mut longest, mut runs, mut numbers, mut before) = ([0; 3], [0; 3], 0, OTHER);
        for byte in ascii.bytes() {
            let kind = KINDS[usize::from(byte)];
            counts[usize::from(kind)] += 1;
            for (at, last) in [SMALL_HEX, SMALL, PLUS].into_iter().enumerate() {
                runs[at] = if kind <= last { runs[at] + 1 } else { 0 };
                longest[at] = usize::max(longest[at], runs[at]);
            }
            numbers += usize::from(kind == DIGIT && before != DIGIT);
            before = kind;
        }
        let count = |kind: u8| counts[usize::from(kind)];
        let hex = count(DIGIT) + count(CAPITAL_HEX) + count(SMALL_HEX);
        Self {
            digits: count(DIGIT),
            numbers,
            capitals: count(CAPITAL_HEX) + count(CAPITAL),
            hex,
            alphanumeric: hex + count(CAPITAL) + count(SMALL),
            ats: count(AT),
            colons: count(COLON),
            dots: count(DOT),
            dashes: count(DASH),
            slashes: count(SLASH),
            spaces: count(SPACE),
            equals: count(EQUALS),
            brackets: count(BRACKET),
            marks: count(MARK),
            pluses: count(PLUS),
            symbols: count(UNKNOWN),
            hex_run: longest[0],
            run: longest[1],
            code_run: longest[2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_their_characters_do() {
        let census = Census::of("Getting-Started 12ab_cd:deadbeef1 @x");
        assert_eq!((census.run, census.hex_run, census.code_run), (9, 9, 15));
        assert_eq!((census.digits, census.capitals, census.dashes, census.spaces, census.ats), (3, 2, 1, 2, 1));
        assert_eq!((census.numbers, Census::of("12.05 3").numbers, Census::of("").run), (2, 3, 0));
    }
}
