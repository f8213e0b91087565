-- The analysts of one site; applied for each configured {site}. They cannot read the table of migrations, which has no site.

CREATE ROLE IF NOT EXISTS "tamga_analyst:{site}";
GRANT tamga_reader TO "tamga_analyst:{site}";
CREATE ROW POLICY OR REPLACE "tamga_site:{site}" ON tamga_stats.* FOR SELECT USING site = '{site}' TO "tamga_analyst:{site}";
