-- How many visits does each campaign bring, and which share of them reaches each goal?
SELECT source, medium, campaign, goal, sum(c.visits) AS visits, sum(reached) AS converted,
       round(100 * converted / visits, 1) AS percent
FROM campaigns AS c
ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY source, medium, campaign, goal
ORDER BY goal, visits DESC
LIMIT 100
