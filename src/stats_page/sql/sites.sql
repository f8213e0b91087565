-- Which sites does the account read, and from when to when are their numbers published?
SELECT site, toUInt32(min(window_start)) AS first, toUInt32(max(window_end)) AS end
FROM publications
GROUP BY site
ORDER BY site
