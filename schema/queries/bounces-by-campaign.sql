-- Which campaigns bring visits that are bounces?
-- `bounce_error` is the 95 % error by noise of `bounce_percent`, in points.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT source, medium, campaign, sum(c.visits) AS visits, round(100 * sum(c.bounces) / visits, 1) AS bounce_percent,
       if(campaign = '(other)', NULL, round(196 * sqrt(noise * sum(1 + carried_to - day) * (9 + pow(bounce_percent / 100, 2))) / nullIf(greatest(visits, 0), 0), 1)) AS bounce_error
FROM campaigns AS c
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY source, medium, campaign
ORDER BY visits DESC
