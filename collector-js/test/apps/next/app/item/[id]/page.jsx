export { default } from "../../page.jsx";

export const generateStaticParams = () => [{ id: "7" }];
