using System;

static class Program
{
    static void Main()
    {
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            var f = line.Split('\t');
            Console.WriteLine(Hookpace.Verify(f[0], f[1], f[2], Convert.FromBase64String(f[3]), f[4]));
        }
    }
}
