-- How many pages do visits have?
-- `error` is the 95 % error by noise of `visits`. A number of pages has three times the noise of its durations.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT pages, sum(v.visits) AS visits, if(pages = '(other)', NULL, round(3 * 1.96 * sqrt(noise * uniqExact(window_start)))) AS error,
       round(100 * visits / sum(visits) OVER (), 1) AS percent
FROM visits AS v
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY pages
ORDER BY toUInt32OrNull(extract(pages, '^[0-9]+')) NULLS LAST
