-- From which sites and campaigns do visits come?
-- `error` is the 95 % error by noise of `visits`, `visitors_error` that of `visitors`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT channel, source, sum(e.visits) AS visits, if(source = '(other)', NULL, round(1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       sum(e.visitors) AS visitors, 7 * error AS visitors_error
FROM entries AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel, source
ORDER BY visits DESC
