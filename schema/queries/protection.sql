-- Which levels did verdicts of account protection have, and which reasons?
-- A verdict has one level and up to eight reasons, so levels add up and reasons do not. One sender adds three verdicts a day at most.
-- `error` is the 95 % error by noise of `verdicts`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT if(level = '', 'reason', 'level') AS kind, if(level = '', reason, level) AS name, sum(p.count) AS verdicts,
       round(3 * 1.96 * sqrt(noise * count())) AS error
FROM protection AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY kind, name
ORDER BY kind, verdicts DESC
