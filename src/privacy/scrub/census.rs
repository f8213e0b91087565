//! What a canonical text has, counted in one pass, so that only the rules that it could concern are asked.

use super::token::base64_value;

/// Counts of characters, and the longest runs of some.
#[derive(Default)]
pub(super) struct Census {
    pub(super) digits: usize,
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
    /// The longest run of letters and digits.
    pub(super) run: usize,
    /// Of hexadecimal digits.
    pub(super) hex_run: usize,
    /// Of what base64 and base64url are written in.
    pub(super) code_run: usize,
}

impl Census {
    pub(super) fn of(ascii: &str) -> Self {
        let mut all = Self::default();
        let (mut run, mut hex_run, mut code_run) = (0, 0, 0);
        for byte in ascii.bytes() {
            let one = |is: bool| usize::from(is);
            let next = |length: usize, is: bool| if is { length + 1 } else { 0 };
            let alphanumeric = byte.is_ascii_alphanumeric();
            all.alphanumeric += one(alphanumeric);
            run = next(run, alphanumeric);
            hex_run = next(hex_run, byte.is_ascii_hexdigit());
            code_run = next(code_run, alphanumeric || base64_value(byte).is_some());
            all.run = all.run.max(run);
            all.hex_run = all.hex_run.max(hex_run);
            all.code_run = all.code_run.max(code_run);
            all.hex += one(byte.is_ascii_hexdigit());
            match byte {
                b'0'..=b'9' => all.digits += 1,
                b'A'..=b'Z' => all.capitals += 1,
                b'@' => all.ats += 1,
                b':' => all.colons += 1,
                b'.' => all.dots += 1,
                b'-' => all.dashes += 1,
                b'/' | b'_' => all.slashes += 1,
                b' ' => all.spaces += 1,
                b'=' => all.equals += 1,
                b'[' | b'(' | b'{' | b'<' => all.brackets += 1,
                _ => (),
            }
        }
        all
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
        assert_eq!(Census::of("").run, 0);
    }
}
