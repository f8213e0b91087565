-- How many visits reach each declared goal?
SELECT goal, sum(visits) AS visits, sum(reached) AS converted
FROM entries
ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY goal
ORDER BY goal
