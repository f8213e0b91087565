//! The rows that visits have beside their events: place, client, device, hour and search, and views by hour.

use super::World;

impl World {
    /// The rows of the same visits in key domains of their own, and their views by hour. Suspects have none.
    pub(super) async fn apart(&self, parameters: &[(&str, String)]) {
        let hour = "toDateTime(least({start:UInt32} + {length:UInt32} * (1 + intDiv(3600 * (cityHash64(v, 1) % 24), {length:UInt32})), {end:UInt32}), 'UTC')";
        let of_day = "leftPad(toString(cityHash64(v, 1) % 24), 2, '0')";
        let views = "1 + cityHash64(v, 8) % 7";
        for (attribute, value, detail, second) in [
            (
                "place",
                "if(v % 40 > 0, 'KZ', 'KG')",
                "'r' || toString(toUInt32(16 * pow((cityHash64(v, 5) % 1000) / 1000, 3)))",
                "0",
            ),
            (
                "client",
                "['Chrome', 'Safari', 'Firefox'][cityHash64(v, 6) % 3 + 1]",
                "toString(100 + toUInt32(30 * pow((cityHash64(v, 7) % 1000) / 1000, 4)))",
                "0",
            ),
            ("device", "'phone'", "['Android', 'iOS'][v % 2 + 1]", "0"),
            ("pair country channel", "if(v % 40 > 0, 'KZ', 'KG')", "['direct', 'search', 'paid'][v % 3 + 1]", "0"),
            // The first row of a visit knows the shortest duration only.
            ("pair device duration", "'phone'", "if(s = 0, '0', ['30', '1800'][v % 2 + 1])", "2"),
            ("hour", of_day, "''", &format!("if({views} > 1, 2, 0)")),
        ] {
            // The second row comes with the visit's second beacon.
            let sql = format!(
                "INSERT INTO attributes (batch, site, day, window_end, attribute, value, detail, visitor, confirmed, network, new_week, step)
                SELECT 5, {{site:String}}, {{day:Date}}, {hour}, '{attribute}', if(s = 0 OR {second} = 2 OR '{attribute}' != 'hour', {value}, ''),
                    {detail}, toFixedString(unhex(hex(sipHash128(v, '{attribute}'))), 16), v % 10 > 0 AND s > 0, cityHash64(v, 2) % 200,
                    toDayOfWeek({{day:Date}}) = 1 OR v % 2, if(s = 0, 1, {second})
                FROM (SELECT number AS v, arrayJoin([0, 1]) AS s FROM numbers({{count:UInt32}}) WHERE v % 50 != 7)"
            );
            self.vault.execute(&sql, parameters).await.unwrap();
        }
        let searches = format!(
            "INSERT INTO attributes (batch, site, day, window_end, attribute, value, visitor, confirmed, network, new_week)
            SELECT 5, {{site:String}}, {{day:Date}}, {hour}, 'search', ['tea', 'felt', 'yurt'][least(3, 1 + cityHash64(v, 10) % 30)],
                toFixedString(unhex(hex(sipHash128(v, 'search'))), 16), v % 10 > 0, cityHash64(v, 2) % 200, toDayOfWeek({{day:Date}}) = 1 OR v % 2
            FROM (SELECT number AS v FROM numbers({{count:UInt32}}) WHERE cityHash64(v, 'search') % 4 = 0 AND v % 50 != 7)"
        );
        self.vault.execute(&searches, parameters).await.unwrap();
        let by_hour = format!(
            "INSERT INTO tallies SELECT 5, {{site:String}}, {{day:Date}}, {hour} AS at, 'views:' || {of_day} AS reason, sum({views})
            FROM (SELECT number AS v FROM numbers({{count:UInt32}}) WHERE v % 50 != 7) GROUP BY at, reason"
        );
        self.vault.execute(&by_hour, parameters).await.unwrap();
    }
}
