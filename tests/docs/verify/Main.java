import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;

class Main {
    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] f = line.split("\t");
            System.out.println(Hookpace.verify(f[0], f[1], f[2], Base64.getDecoder().decode(f[3]), f[4]));
        }
    }
}
