export default { build: { format: "file" }, redirects: { "/old": "/about" } };
