-- Which campaigns bring visits, and how many of them reach the chosen goal?
SELECT source, medium, campaign, sum(visits) AS visits, sum(visitors) AS visitors, sum(bounces) AS bounces, sum(goals[{item:String}]) AS converted
FROM campaigns
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY source, medium, campaign
ORDER BY visits DESC
LIMIT 1000
