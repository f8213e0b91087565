-- Which levels did verdicts of account protection have, and which reasons?
-- A verdict has one level and up to eight reasons, so levels add up and reasons do not. One sender adds three verdicts a day at most.
SELECT if(level = '', 'reason', 'level') AS kind, if(level = '', reason, level) AS name, sum(count) AS verdicts
FROM protection
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY kind, name
ORDER BY kind, verdicts DESC
