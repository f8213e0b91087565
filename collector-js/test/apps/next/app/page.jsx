export default function Page() {
  return <p id="details">Details</p>;
}
